"""nginx's side: routes, server blocks, names and addresses, and the edits that mend them."""
