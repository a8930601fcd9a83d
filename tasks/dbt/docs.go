package dbt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidemill/tidemill/engine"
)

// docsDir is the folder, below Project.TargetPath, of the project's documentation.
const docsDir = "docs"

// DocsPath is where the documentation is once [Runner.BuildDocs] has built it: one HTML file that needs nothing from elsewhere.
func (r *Runner) DocsPath() string {
	return filepath.Join(r.project.TargetPath, docsDir, "index.html")
}

// BuildDocs lets dbt document the project and the tables that it finds in the database, and returns where the file is. The one that was there
// stays until the new one is whole. It errs as [Runner.Run] does when dbt cannot do its work. env are variables as in [Invocation.Env], log as in
// Invocation.Log; both may be nil.
func (r *Runner) BuildDocs(ctx context.Context, env map[string]string, log func(level, node, line string)) (string, error) {
	if err := r.take(ctx); err != nil {
		return "", err
	}
	defer r.giveBack()
	held, release, err := r.opts.Guard.Lock(ctx, r.project.ApplicationName)
	if err != nil {
		return "", fmt.Errorf("dbt docs: %w", err)
	}
	defer release()
	s, err := r.newScope(Invocation{Env: env, Log: log})
	if err != nil {
		return "", err
	}
	dir, err := r.newRunDir()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is pruned with the runs
	args := append([]string{"docs", "generate", "--static"}, r.project.commonArgs(dir, r.savedParse())...)
	if _, err := r.command(held, s, args, ""); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(r.DocsPath()), 0o755); err != nil { //nolint:gosec // as dbt's own target folder
		return "", fmt.Errorf("make the folder of the documentation: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, "static_index.html"), r.DocsPath()); err != nil {
		return "", fmt.Errorf("put the documentation in its place: %w", err)
	}
	return r.DocsPath(), nil
}

// Documented is what a task of [Docs] yields.
type Documented struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// Docs makes the task dbt_docs: it builds the documentation of the project.
func Docs[T any](after engine.In[T], r *Runner, opts ...engine.TaskOption) engine.Node[Documented] {
	return engine.After(after, "dbt_docs", func(ctx context.Context, _ T) (Documented, error) {
		path, err := r.BuildDocs(ctx, nil, logTo(ctx))
		if err != nil {
			return Documented{}, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return Documented{}, fmt.Errorf("look at the documentation: %w", err)
		}
		return Documented{path, info.Size()}, nil
	}, opts...)
}
