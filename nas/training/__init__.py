"""How networks learn and are judged: alone, or as paths through shared weights."""
