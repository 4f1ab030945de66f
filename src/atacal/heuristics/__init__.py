"""What a pipeline decides, as pure functions of arrays; nothing here touches a disk."""
