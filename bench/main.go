package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(exit(child(role)))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(exit(err))
}

// exit reports an error and returns the exit code.
func exit(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		return 130
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

var errInterrupted = errors.New("interrupted")

// run measures what the arguments ask for and writes the table, or the one JSON object, to out.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "measure these only: of "+strings.Join(names(), ","))
	small := flags.Bool("quick", false, "smaller sizes and one round")
	rounds := flags.Int("rounds", 0, "measure each benchmark so often; 0: as often as its README says")
	inJSON := flags.Bool("json", false, "print one JSON object")
	inMarkdown := flags.Bool("markdown", false, "print the rows of the table in README.md")
	dsn := flags.String("dsn", "", "measure on this PostgreSQL (postgres://…, its user may create databases) instead of an embedded one")
	profile := flags.String("cpuprofile", "", "write a CPU profile of this process to this file")
	allocs := flags.String("memprofile", "", "write what this process allocated, all in all, to this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("argument %q is not understood", flags.Arg(0))
	}
	if *rounds < 0 {
		return fmt.Errorf("-rounds %d: give 1 or more, or 0 for each benchmark's own number", *rounds)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *profile != "" {
		stop, err := profileCPU(*profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if *allocs != "" {
		file, err := os.Create(*allocs)
		if err != nil {
			return fmt.Errorf("-memprofile: %w", err)
		}
		defer func() { err = errors.Join(err, pprof.Lookup("allocs").WriteTo(file, 0), file.Close()) }()
	}
	as := plain
	switch {
	case *inJSON && *inMarkdown:
		return errors.New("give -json or -markdown, not both")
	case *inJSON:
		as = asJSON
	case *inMarkdown:
		as = asMarkdown
	}
	of := full
	if *small {
		of = quick
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	l, err := openLab(ctx, *dsn, of, log)
	if err == nil {
		var results []result
		results, err = measure(ctx, l, chosen, func(b benchmark) int { return roundsOf(b, *small, *rounds) })
		err = errors.Join(err, l.close())
		if err == nil {
			return report(out, results, as)
		}
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// profileCPU writes a CPU profile of this process to a file until stop.
func profileCPU(name string) (stop func() error, err error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("-cpuprofile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("-cpuprofile: %w", err), file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

// choose finds the benchmarks that a list names, in our order; all of them for "".
func choose(list string) ([]benchmark, error) {
	if list == "" {
		return benchmarks, nil
	}
	wanted := strings.Split(list, ",")
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("-only: there is no benchmark %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(benchmarks), func(b benchmark) bool { return !slices.Contains(wanted, b.name) }), nil
}
