"""What lies in an export, and what the ONNX file calls its parts; what every exported file has is in `onnx_file`."""

from maskfold.prediction.onnx_file import EXPORTS as EXPORTS
from maskfold.prediction.onnx_file import IDENTITY as IDENTITY
from maskfold.prediction.onnx_file import MODEL as MODEL
from maskfold.prediction.onnx_file import NAME as NAME
from maskfold.prediction.onnx_file import PHOTOS as PHOTOS
from maskfold.prediction.onnx_file import VERSION as VERSION
from maskfold.prediction.onnx_file import WEIGHTS as WEIGHTS

MAPS, OUT = "maps", "members"  # both outputs of a file that masks photos

# What such a file says of itself besides.
MEMBERS = "maskfold.members"  # JSON, a list of names
SYMMETRIC = "maskfold.symmetric"  # JSON, true or false; files of before have none
