"""The rule for public headers."""

def api_library(name, **kwargs):
    """A cc_library whose headers are written `#include "espalier/x.h"`, in the tree as after install.

    Args:
      name: as in cc_library.
      **kwargs: as in cc_library.
    """
    native.cc_library(
        name = name,
        include_prefix = "espalier",
        strip_include_prefix = "/api",
        **kwargs
    )
