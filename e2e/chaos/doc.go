// Package chaos is a test of the engine with real processes: three of them work on one PostgreSQL while they are killed and frozen, while
// the database is restarted under them and its connections are cut, and while people clear, mark, trigger, pause and answer at random.
// Afterwards the books must balance: what the bodies and callbacks have written down is compared with the engine's history.
//
//	go test ./e2e/chaos                                       # 40 seconds of faults
//	TIDEMILL_CHAOS=1h TIDEMILL_CHAOS_SEED=7 go test -timeout 90m -v ./e2e/chaos
//
// The processes are this test's own binary. Their logs are kept with go test -artifacts.
package chaos
