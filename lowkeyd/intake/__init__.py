"""From folders to the queue: what is watched and how, whether disks are there, what came and what went."""
