RULES = "todo"
