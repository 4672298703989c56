"""Cut-outs: alpha, foreground colours, crops, and a folder of photos that becomes one of pictures."""
