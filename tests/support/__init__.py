"""What several tests share: how commands are run, made-up bundles, models and servers."""
