"""Black boxes: sealed data sets, in which nobody knows what is hidden, as the LHC Olympics 2020 were.

============================  ============================================================
step                          where
============================  ============================================================
what each box will hold       :func:`~hepcs.boxes.drawing.draw_contents`
writing boxes and keys        :func:`~hepcs.boxes.making.make_boxes`
what a key says               :class:`~hepcs.boxes.keys.Key`
answers, from runs or people  :class:`~hepcs.boxes.answers.Answer`
answers against keys          :func:`~hepcs.boxes.judging.judge`
============================  ============================================================

A box holds `events.root`, `card.yaml` that searches it, and `box.json` with the hash of its key, so that nobody
can change a key, or say later that it was another one. Keys lie in a folder of their own, to be kept apart.
"""
