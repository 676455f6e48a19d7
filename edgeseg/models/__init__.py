"""Compact segmentation networks (torch).

Every network takes float32 (N, C, H, W) of any H and W, pads it to a multiple of its stride and
crops its (N, K, H, W) logits back.

A decoder doubles a map by interpolation, transposed convolution or max unpooling
(:mod:`edgeseg.models.upsampling`). A transposed convolution gives, for input size ``n``, kernel
``k``, stride ``s`` and padding ``p``::

    s (n - 1) + k - 2 p

so 2 pixels become 3 with kernel 2, stride 1 and no padding; 1 with padding 1; 4 with stride 2; and
2 with both.
"""
