package dbt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Below Project.TargetPath: parsed/<fingerprint>/ holds what dbt made of the project as it then was (manifest.json and
// partial_parse.msgpack), runs/<name>/ what a run left.
const (
	parsedDir    = "parsed"
	runsDir      = "runs"
	manifestFile = "manifest.json"
	partialFile  = "partial_parse.msgpack"
	keepParsed   = 3
)

// Manifest returns the parsed project, parsing it when it was never parsed or has changed since.
func (r *Runner) Manifest(ctx context.Context) (*Manifest, error) {
	if m, _, err := r.known(); m != nil || err != nil {
		return m, err
	}
	if err := r.take(ctx); err != nil {
		return nil, err
	}
	defer r.giveBack()
	s, err := r.newScope(Invocation{})
	if err != nil {
		return nil, err
	}
	return r.manifest(ctx, s)
}

// known returns the manifest of the project as it is now, nil where that has to be parsed first, and its fingerprint.
func (r *Runner) known() (*Manifest, string, error) {
	print, err := r.project.fingerprint()
	if err != nil {
		return nil, "", err
	}
	r.parsedMu.Lock()
	defer r.parsedMu.Unlock()
	if r.print == print {
		return r.parsed, print, nil
	}
	m, err := ReadManifest(filepath.Join(r.project.TargetPath, parsedDir, print, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, print, nil
	}
	if err != nil {
		return nil, print, err
	}
	r.parsed, r.print = m, print
	return m, print, nil
}

// manifest needs the turn.
func (r *Runner) manifest(ctx context.Context, s *scope) (*Manifest, error) {
	for {
		m, print, err := r.known()
		if m != nil || err != nil {
			return m, err
		}
		if err := r.parse(ctx, s, print); err != nil {
			return nil, err
		}
	}
}

// parse lets dbt parse the project into parsed/<print>, unless the project changes meanwhile. Two processes that do so at
// once make the same, and the first one's stays.
func (r *Runner) parse(ctx context.Context, s *scope, print string) error {
	home := filepath.Join(r.project.TargetPath, parsedDir)
	if err := os.MkdirAll(home, 0o755); err != nil { //nolint:gosec // as dbt's own target folder
		return fmt.Errorf("make the folder of parsed projects: %w", err)
	}
	temporary, err := os.MkdirTemp(home, "new-")
	if err != nil {
		return fmt.Errorf("make a folder to parse into: %w", err)
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // gone already when all went well
	if _, err := r.command(ctx, s, append([]string{"parse"}, r.project.commonArgs(temporary, r.savedParse())...), ""); err != nil {
		return err
	}
	if now, err := r.project.fingerprint(); err != nil || now != print {
		return err // the caller looks again
	}
	target := filepath.Join(home, print)
	if err := os.Rename(temporary, target); err != nil && existing(filepath.Join(target, manifestFile)) == "" {
		return fmt.Errorf("keep the parsed project: %w", err)
	}
	prune(home, keepParsed)
	return nil
}

// savedParse is the file that dbt can begin to parse from; empty when there is none. dbt finds out by itself what has
// changed since.
func (r *Runner) savedParse() string {
	home := filepath.Join(r.project.TargetPath, parsedDir)
	for _, name := range newestFirst(home) {
		if path := existing(filepath.Join(home, name, partialFile)); path != "" {
			return path
		}
	}
	return ""
}

// newRunDir makes the folder that one invocation writes to.
func (r *Runner) newRunDir() (string, error) {
	home := filepath.Join(r.project.TargetPath, runsDir)
	if err := os.MkdirAll(home, 0o755); err != nil { //nolint:gosec // as dbt's own target folder
		return "", fmt.Errorf("make the folder of dbt's runs: %w", err)
	}
	dir, err := os.MkdirTemp(home, "run-")
	if err != nil {
		return "", fmt.Errorf("make the folder of a dbt run: %w", err)
	}
	return dir, nil
}

// tidy removes what a finished run does not need any more, and the oldest runs.
func (r *Runner) tidy(runDir string) {
	for _, name := range []string{partialFile, "graph.gpickle", "graph_summary.json", "semantic_manifest.json"} {
		_ = os.Remove(filepath.Join(runDir, name)) // what stays is pruned with the run
	}
	prune(filepath.Dir(runDir), r.opts.KeepRuns)
}

// prune removes all but the newest folders of home. What cannot be removed is left for the next time.
func prune(home string, keep int) {
	for i, name := range newestFirst(home) {
		if i >= keep {
			_ = os.RemoveAll(filepath.Join(home, name))
		}
	}
}

// newestFirst lists the folders of home by their time of change, those that are being parsed into left out.
func newestFirst(home string) []string {
	entries, err := os.ReadDir(home)
	if err != nil {
		return nil
	}
	type folder struct {
		name string
		time int64
	}
	var folders []folder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || strings.HasPrefix(e.Name(), "new-") {
			continue
		}
		folders = append(folders, folder{e.Name(), info.ModTime().UnixNano()})
	}
	sort.Slice(folders, func(i, j int) bool { return folders[i].time > folders[j].time })
	names := make([]string, len(folders))
	for i, f := range folders {
		names[i] = f.name
	}
	return names
}
