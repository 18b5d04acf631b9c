"""What UCSC's documentation says of the settings of hubs, as a table.

Facts from https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html (version 3): which
settings exist for which type of track, and what values they take.
"""

from __future__ import annotations

COMMON = frozenset(
    """
    track type shortLabel longLabel bigDataUrl html visibility meta color priority altColor boxedCfg
    chromosomes configureByPopup darkerLabels dataVersion directUrl downloadUrl iframeUrl
    iframeOptions multiRegionsBedUrl onlyVisibility origAssembly otherDb pennantIcon tableBrowser
    url urlLabel parent group maxWindowToDraw
    """.split()
)
"""Of every track. ``group`` belongs to genomes with groups of their own."""
OF_TYPE = {
    "bigBed": frozenset(
        """
        itemRgb colorByStrand denseCoverage labelOnFeature detailsStaticTable detailsDynamicTable
        exonArrows exonNumbers exonArrowsDense scoreFilter scoreFilterLimits maxItems
        maxWindowCoverage minGrayLevel noScoreFilter spectrum scoreMax scoreMin style thickDrawItem
        searchIndex searchTrix labelFields defaultLabelFields labelSeparator bedNameLabel
        itemImagePath itemBigImagePath mergeSpannedItems linkIdInName nextExonText prevExonText
        scoreLabel showTopScorers mouseOver mouseOverField urls skipEmptyFields skipFields sepFields
        highlightColor
        """.split()
    ),
    "bigWig": frozenset(
        """
        autoScale maxHeightPixels viewLimits viewLimitsMax alwaysZero graphTypeDefault
        maxWindowToQuery mouseOverFunction negateValues setColorWith smoothingWindow transformFunc
        logo logoMaf windowingFunction yLineMark yLineOnOff gridDefault
        """.split()
    ),
}
OF_FIELD = frozenset(
    """
    filter filterByRange filterLimits filterText filterType filterValues filterValuesDefault
    filterLabel filterPriority highlight highlightByRange highlightLimits highlightText
    highlightType highlightValues highlightValuesDefault
    """.split()
)
"""Of a bigBed, followed by a full stop and the name of a column."""
OF_KIND = {
    "superTrack": frozenset(["superTrack"]),
    "compositeTrack": frozenset(
        """
        compositeTrack allButtonPair centerLabelsDense dragAndDrop hideEmptySubtracks
        hideEmptySubtracksMultiBedUrl hideEmptySubtracksSourcesUrl hideEmptySubtracksLabel
        dimensions filterComposite dimensionAchecked dimensionBchecked dimensionCchecked sortOrder
        configurable
        """.split()
        + [f"subGroup{number}" for number in range(1, 10)]
    ),
    "container": frozenset(["container", "aggregate", "showSubtrackColorOnUi"]),
}
OF_SUBTRACK = frozenset(["subGroups"])
"""Of what a composite holds."""

HUB = {"hub", "shortLabel", "longLabel", "genomesFile", "email", "descriptionUrl", "useOneFile"}
GENOME = set(
    """
    genome trackDb groups description twoBitPath chromAlias chromAliasBb chromSizes chromAuthority
    codonTable organism defaultPos orderKey scientificName htmlPath transBlat blat isPcr
    """.split()
)
GROUP = {"name", "label", "priority", "defaultIsClosed"}

ON_OFF = r"on|off"
RGB = r"(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])(,(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])){2}"
NUMBER = r"-?\d+(\.\d+)?(e[+-]?\d+)?"
VALUES = {
    "visibility": "hide|dense|squish|pack|full",
    "color": RGB,
    "altColor": RGB,
    "priority": NUMBER,
    "itemRgb": "on",
    "thickDrawItem": ON_OFF,
    "spectrum": "on",
    "noScoreFilter": "on",
    "autoScale": r"on|off|group",
    "alwaysZero": ON_OFF,
    "logo": "on",
    "maxHeightPixels": r"\d+:\d+:\d+",
    "viewLimits": f"{NUMBER}:{NUMBER}",
    "yLineMark": NUMBER,
    "yLineOnOff": ON_OFF,
    "windowingFunction": r"mean|mean\+whiskers|maximum|minimum",
    "smoothingWindow": r"off|[1-9]|1[0-6]",
    "superTrack": r"on( show)?",
    "compositeTrack": "on",
    "container": "multiWig",
    "aggregate": "transparentOverlay|stacked|solidOverlay|none",
    "showSubtrackColorOnUi": "on",
    "dragAndDrop": "subTracks",
    "type": rf"bigWig {NUMBER} {NUMBER}|bigBed ([3-9]|1[0-2])( [.+])?",
}
"""What values look like, of the settings with few."""
