package dbt

import (
	"fmt"
	"strconv"
	"strings"
)

// Invocation is one thing to ask of dbt.
type Invocation struct {
	Command     Command
	Nodes       []string          // unique ids: exactly these run, nothing that is attached to them. Excludes Select and Exclude
	Select      []string          // dbt's selection syntax; a node's name is the simplest. Empty: all that Command runs
	Exclude     []string          // dbt's selection syntax
	FullRefresh bool              // rebuild incremental models
	Env         map[string]string // the run's own variables, such as TIDEMILL_DBT_DAY; they win over Project.Env

	// Observe is told of every change of a node, the plan first (each node Planned). Log is told of every line that dbt
	// logs: level debug, info, warn or error; node is a unique id or empty; the line has no colour codes and no secrets.
	// Both are called by one goroutine at a time, before Run returns; they should be quick. Both may be nil.
	Observe func(NodeEvent)
	Log     func(level, node, line string)
}

// check refuses what dbt would misread.
func (i Invocation) check() error {
	if _, ok := kinds[i.Command]; !ok {
		return fmt.Errorf("%w: Invocation.Command is %q: use run, test, build, seed, snapshot or source freshness", ErrUsage, i.Command)
	}
	if len(i.Nodes) > 0 && (len(i.Select) > 0 || len(i.Exclude) > 0) {
		return fmt.Errorf("%w: Invocation.Nodes excludes Select and Exclude", ErrUsage)
	}
	for field, values := range map[string][]string{"Select": i.Select, "Exclude": i.Exclude} {
		for _, v := range values {
			if v == "" || strings.HasPrefix(v, "-") {
				return fmt.Errorf("%w: Invocation.%s holds %q: dbt would read it as an option", ErrUsage, field, v)
			}
		}
	}
	if i.FullRefresh && (i.Command == CommandTest || i.Command == CommandSnapshot || i.Command == CommandFreshness) {
		return fmt.Errorf("%w: Invocation.FullRefresh has no meaning for dbt %s", ErrUsage, i.Command)
	}
	return nil
}

// commonArgs are the options that every dbt command gets. partialParse is the saved parse to begin from; empty: none.
func (p Project) commonArgs(targetPath, partialParse string) []string {
	args := []string{
		"--project-dir", p.Dir, "--profiles-dir", p.ProfilesDir, "--target-path", targetPath,
		"--log-path", targetPath, "--log-level-file", "none", "--no-use-colors",
	}
	if partialParse != "" {
		args = append(args, "--partial-parse-file-path", partialParse)
	}
	if p.Profile != "" {
		args = append(args, "--profile", p.Profile)
	}
	if p.Target != "" {
		args = append(args, "--target", p.Target)
	}
	return args
}

// runArgs are the arguments of the invocation itself. exact is nil unless the invocation names its nodes.
func (p Project) runArgs(i Invocation, exact []Node) []string {
	args := strings.Fields(string(i.Command))
	if p.Threads > 0 {
		args = append(args, "--threads", strconv.Itoa(p.Threads))
	}
	if i.FullRefresh {
		args = append(args, "--full-refresh")
	}
	return append(args, selectionArgs(i, exact)...)
}

// listArgs ask dbt which nodes the invocation would run.
func listArgs(i Invocation) []string {
	args := []string{"list", "--output", "json", "--output-keys", "unique_id"}
	for _, kind := range kinds[i.Command] {
		args = append(args, "--resource-type", string(kind))
	}
	return append(args, selectionArgs(i, nil)...)
}

func selectionArgs(i Invocation, exact []Node) []string {
	var args []string
	if len(exact) > 0 {
		if i.Command != CommandFreshness { // which knows no tests, and not that option
			args = append(args, "--indirect-selection", "empty")
		}
		args = append(args, "--select")
		for _, n := range exact {
			if n.Kind == KindSource {
				args = append(args, "source:"+n.Package+"."+n.Name)
			} else {
				args = append(args, "fqn:"+strings.Join(n.FQN, "."))
			}
		}
	}
	if len(i.Select) > 0 {
		args = append(append(args, "--select"), i.Select...)
	}
	if len(i.Exclude) > 0 {
		args = append(append(args, "--exclude"), i.Exclude...)
	}
	return args
}
