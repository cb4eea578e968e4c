"""Heads of your own. Name one in params.yaml, as task.head: heads.two_layer:TwoLayerHead."""
