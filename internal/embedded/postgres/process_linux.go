package postgres

import "syscall"

// endWithParent lets the kernel shut the process down fast (SIGINT) when the thread that started it ends.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
