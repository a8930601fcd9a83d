package dbt

import "context"

// ServerPID is the process id of the long-lived dbt process, 0 when there is none.
func (r *Runner) ServerPID() int {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	if r.server == nil {
		return 0
	}
	return r.server.process.pid
}

// Raw runs a dbt command with arguments of the test's own, and returns its exit code and whether it was a usage error.
func (r *Runner) Raw(ctx context.Context, args ...string) (code int, usage bool, why string, err error) {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	s, err := r.newScope(Invocation{})
	if err != nil {
		return 0, false, "", err
	}
	end, err := r.invoke(ctx, s, args, func(Event) {})
	return end.code, end.usage, end.why, err
}
