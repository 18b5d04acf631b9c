"""What is made of models and data: evaluation, ablation, figures and reports."""
