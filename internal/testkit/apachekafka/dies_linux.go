package apachekafka

import "syscall"

// endWithParent lets the kernel kill the broker when the test's process ends.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
