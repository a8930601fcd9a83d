// Package cli is the command line, for our binary and for a user's own program:
//
//	func main() { cli.Main(cli.DAGs(hello()), cli.Streams(clicks())) }
//
// It is also where the parts are wired together: configuration from environment and flags (config.go), the embedded servers
// (services.go), the pipeline's ground (platform.go), a process that runs DAGs (app.go). Exit codes are 0 done, 1 what was asked for
// failed, 2 bad usage or configuration. What reads takes --json: one document on stdout, messages on stderr.
package cli
