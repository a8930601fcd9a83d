package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
)

// group is a command that only holds others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: subcommand, RunE: func(cmd *cobra.Command, _ []string) error {
		fmt.Fprint(cmd.ErrOrStderr(), cmd.UsageString())
		return usage("%s: name a subcommand", commandName(cmd))
	}}
}

// subcommand refuses what is no subcommand as bad usage, with those that are meant perhaps.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return usage("there is no command %q; did you mean %s?", path(cmd, args[0]), strings.Join(meant, " or "))
	}
	return usage("there is no command %q: see %s --help", path(cmd, args[0]), cmd.CommandPath())
}

// arguments is how many arguments a command takes; another number is bad usage.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == len(names):
			return nil
		case len(names) == 0:
			return usage("%s takes no arguments, not %q", commandName(cmd), strings.Join(args, " "))
		}
		return usage("%s takes %s, not %d arguments", commandName(cmd), strings.Join(names, " "), len(args))
	}
}

// commandName is a command's name without the program's, which stands before every message.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// path is the name of a command that parent might have.
func path(parent *cobra.Command, name string) string {
	if !parent.HasParent() {
		return name
	}
	return commandName(parent) + " " + name
}

var elementOfTask = regexp.MustCompile(`^(.+)\[(\d+)\]$`)

// instance reads a task instance as the commands print it: a task, or an element of a mapped one such as load[1]. The map index of
// a task without one is -1.
func instance(s string) (task string, mapIndex int) {
	if m := elementOfTask.FindStringSubmatch(s); m != nil {
		if i, err := strconv.Atoi(m[2]); err == nil {
			return m[1], i
		}
	}
	return s, -1
}

// instanceName is what instance reads.
func instanceName(task string, mapIndex int) string {
	if mapIndex < 0 {
		return task
	}
	return fmt.Sprintf("%s[%d]", task, mapIndex)
}

// instances reads the tasks of --task: some tasks, or some elements of one mapped task.
func instances(list string) (engine.Selection, error) {
	var s engine.Selection
	parts := splitList(list)
	for _, p := range parts {
		task, i := instance(p)
		if i >= 0 {
			s.MapIndexes = append(s.MapIndexes, i)
		}
		if len(s.Tasks) == 0 || s.Tasks[0] != task || i < 0 {
			s.Tasks = append(s.Tasks, task)
		}
	}
	if len(s.MapIndexes) > 0 && (len(s.Tasks) > 1 || len(s.MapIndexes) < len(parts)) {
		return engine.Selection{}, usage("--task %s: name elements of one mapped task, or tasks without elements", list)
	}
	return s, nil
}
