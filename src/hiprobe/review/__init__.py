"""The review page: look at results, correct them and refit the probe.

It needs the extra `review`; `hiprobe.review.server.serve_page` starts it.
"""
