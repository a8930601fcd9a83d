package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // what was asked for failed
	exitUsage  = 2 // bad usage or configuration
)

// Main runs the command line on the DAGs and streams given and ends the process with its exit code: 0 done, 1 what was asked for
// failed, 2 bad usage or configuration. The first SIGINT or SIGTERM drains; a second one ends at once.
func Main(opts ...Option) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a signal ends the process as usual
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv, opts...)
	stop()
	os.Exit(code)
}

// run is Main without the process.
func run(ctx context.Context, args []string, out, errOut io.Writer, getenv func(string) string, opts ...Option) int {
	p := &program{}
	for _, o := range opts {
		o(p)
	}
	c := &command{program: p, config: &Config{}, out: out, err: errOut, getenv: getenv}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(errOut, "tidemill:", p.secrets().Mask(err.Error()))
	}
	var bad *UsageError
	if errors.As(err, &bad) {
		return exitUsage
	}
	return exitFailed
}

// errSaid is a failure that has been told already.
var errSaid = errors.New("failed")

// A command is what all commands share.
type command struct {
	program *program
	config  *Config
	out     io.Writer
	err     io.Writer
	getenv  func(string) string
	json    bool
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "tidemill",
		Short:         "DAGs in Go on PostgreSQL",
		Args:          c.subcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			c.program.keepOwn(c.config)
			return c.config.complete()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if !cmd.HasParent() { // the flag is that of a command which there is not
			if no := c.subcommand(cmd, cmd.Flags().Args()); no != nil {
				return no
			}
		}
		return &UsageError{err}
	})
	root.SetHelpCommand(c.help())
	c.config.bind(root.PersistentFlags(), c.getenv)
	root.AddCommand(c.serve(), c.worker(), c.dag(), c.backfill(), c.run(), c.task(), c.pool(), c.asset(), c.history(), c.migrate(), c.doctor(), c.version())
	if c.program.reference || len(c.program.streams) > 0 {
		root.AddCommand(c.stream())
	}
	if c.program.reference {
		root.Short += ", with a payments pipeline from Kafka to Gold"
		root.AddCommand(c.pipeline()...)
	} else {
		hidePipeline(root.PersistentFlags())
	}
	return root
}

// pipeline are the commands of the payments pipeline, which a program without it does not have.
func (c *command) pipeline() []*cobra.Command {
	return []*cobra.Command{c.demo(), c.lake(), c.audit(), c.produce()}
}

// subcommand refuses what is no command of the program. Of those that the pipeline would add it says so.
func (c *command) subcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && !c.program.reference {
		for _, of := range c.pipeline() {
			if of.Name() == args[0] {
				return usage("there is no command %q: it belongs to the payments pipeline, which cli.Reference() adds to a program", args[0])
			}
		}
	}
	return subcommand(cmd, args)
}

// help is the command that shows the help of another.
func (c *command) help() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command", Example: "  tidemill help dag trigger",
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil {
				return &UsageError{err}
			}
			if len(rest) > 0 && !of.HasParent() {
				return c.subcommand(of, rest)
			}
			if len(rest) > 0 && of.HasSubCommands() {
				return subcommand(of, rest)
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}
