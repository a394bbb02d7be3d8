"""The web room: HTTP to plugs and the like, for meters and for power switches alike."""

from orchestrator.web.client import NotThere, Place, Unauthorized, Web, WebError, password

__all__ = ["NotThere", "Place", "Unauthorized", "Web", "WebError", "password"]
