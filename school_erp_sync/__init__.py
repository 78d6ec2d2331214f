from . import contract, controllers, models, sync
from .hooks import post_load, uninstall_hook
