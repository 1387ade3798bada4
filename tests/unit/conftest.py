from hypothesis import settings

# A machine that does other things too is slow at times; that is no failure.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
