"""The report's section by cluster: two tables and a chart."""

import pandas as pd
from matplotlib.figure import Figure

from maskfold.analysis.by_cluster import EXPLAINED, IOU, cluster_table, cluster_tables
from maskfold.analysis.charts import interval_chart
from maskfold.analysis.formats import shortened
from maskfold.analysis.html import Html, chart, element, table
from maskfold.data.table import CLUSTER
from maskfold.masks.scoring import DICE, Judged


def cluster_chart(scores: pd.DataFrame) -> Figure:
    """Draw the mean IoU of all photos, which stand out, and of each cluster."""
    clusters = cluster_table(scores, IOU)
    first = pd.concat([clusters.tail(1), clusters.head(-1)])
    drawn = first.rename(columns={CLUSTER: "name", "iou": "pooled", "iou_low": "low", "iou_high": "high"})
    return interval_chart(drawn.assign(name=drawn["name"].map(shortened)), IOU.title)


def cluster_section(scores: pd.DataFrame, judged: Judged = DICE) -> Html:
    """Show the scores of an ensemble by cluster."""
    tables = cluster_tables(scores, judged)
    drawn = chart(cluster_chart(scores), alt="Mean IoU of all photos and of each cluster, with intervals")
    return element(
        "section",
        element("h2", "By cluster"),
        element("p", EXPLAINED, class_="soft"),
        *(table(each, strong=len(each) - 1) for each in tables),
        element("div", drawn, class_="charts"),
    )
