package warehouse_test

func runChild() bool { return false }
