"""The only room that imports torch: the network, what explains it, its training and its export.

From a label to the loss, in the order of the walk:

1. ``config_file.load_config`` reads the configuration: which file holds which label.
2. ``data.labels`` reads the file; a ``LabelSet`` tells the label at any position.
3. ``sources.open_sources`` makes a ``LabelSet`` of each sample, its ambiguous flanks masked.
4. ``dataset.SegmentPlan`` draws an epoch's segments; ``dataset.SegmentDataset`` gives the arrays
   and labels of one.
5. ``network.Chromputer`` gives the logits of its positions.
6. ``fitting.FitModule.training_step`` hands logits and labels to ``losses.masked_loss`` and
   ``losses.continuous_loss``, which sum the heads' losses over the positions that are known.
"""
