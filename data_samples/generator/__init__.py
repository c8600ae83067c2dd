"""A synthetic school world and the files it would deliver.

Read in this order: `settings` (what is planted); `places`, `workforce`, `programme` and `careers` (the
adults, a state at a time); `pupils`, `rosters` and `scores` (the children, a district at a time); the writers
`staff_files`, `programme_files` (with `listed_names`), `roster_files` and `assessment_files` (with `louisiana`,
`missouri` and `dirt`); and `truth`. `delivery` walks through all of them.

Nothing here reads a written file back: the truth is what the generator knows, so it can contradict a reader.
"""
