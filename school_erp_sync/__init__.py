from . import contract, controllers, models, sync
