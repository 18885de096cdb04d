"""Writes data/labels.tsv from the configuration of Magika's model.

Usage: labels.py FOLDER, where FOLDER is the folder `magika` of the PyPI package magika 1.0.3.

One line for each label: in the model's order first, then the labels that only a decision gives. Columns: label,
confidence needed, label that it is told as, group, MIME type, whether it is text, description.
"""

import json
import sys
from pathlib import Path

OTHERS = ["empty", "txt", "unknown"]

folder = Path(sys.argv[1])
model = json.loads((folder / "models/standard_v3_3/config.min.json").read_text())
kinds = json.loads((folder / "config/content_types_kb.min.json").read_text())
labels = model["target_labels_space"]
lines = []
for label in labels + [other for other in OTHERS if other not in labels]:
    kind = kinds[label]
    needed = model["thresholds"].get(label, model["medium_confidence_threshold"])
    told = model["overwrite_map"].get(label, label)
    text = "text" if kind["is_text"] else "binary"
    description = kind["description"] or label
    lines.append("\t".join([label, str(needed), told, kind["group"] or "unknown", kind["mime_type"] or "", text, description]))
out = Path(__file__).parent.parent / "data" / "labels.tsv"
out.write_text("\n".join(lines) + "\n")
