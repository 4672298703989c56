"""What lies in an export, and what the ONNX file calls its parts."""

from pathlib import Path

EXPORTS = Path("exports")
MODEL = "model.onnx"
WEIGHTS = "model.safetensors"

PHOTOS, MAPS, OUT = "photos", "maps", "members"  # the input, and both outputs

# What the file says of itself.
NAME = "maskfold.name"
IDENTITY = "maskfold.identity"
MEMBERS = "maskfold.members"  # JSON, a list of names
SYMMETRIC = "maskfold.symmetric"  # JSON, true or false; files of before have none
VERSION = "maskfold.version"
