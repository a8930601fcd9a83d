package chaos

import "syscall"

// diesWithParent lets the kernel kill the process, frozen or not, when the thread that started it ends.
func diesWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
