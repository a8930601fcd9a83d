package dbt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ending is how an invocation of dbt came to its end.
type ending struct {
	code  int    // dbt's exit code; -1 when the process died without one
	why   string // dbt's own words, or how the process died; empty after 0 and 1
	usage bool   // dbt refused its arguments
	cut   error  // why we cut it off; nil when it ended by itself
}

// noteCut says why we cut dbt off, unless it had done its work by then.
func (e *ending) noteCut(ctx context.Context) {
	if e.code != 0 && e.code != 1 {
		e.cut = context.Cause(ctx)
	}
}

// resultsFile is the name of the file with a command's results.
func resultsFile(c Command) string {
	if c == CommandFreshness {
		return "sources.json"
	}
	return "run_results.json"
}

// readRunResults reads a command's results below a target path. A missing file is no error: dbt writes none when it never got
// to running, or was killed.
func readRunResults(targetPath string, c Command) (map[string]nodeResult, error) {
	path := filepath.Join(targetPath, resultsFile(c))
	text, err := os.ReadFile(path) //nolint:gosec // below our own target path
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read dbt's results: %w", err)
	}
	var file struct {
		Results []nodeResult `json:"results"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("read dbt's results %s: %w", path, err)
	}
	results := make(map[string]nodeResult, len(file.Results))
	for _, r := range file.Results {
		r.Message = stripColour(r.Message)
		results[r.UniqueID] = r
	}
	return results, nil
}

// reconcile settles every node that the events left open, and distrusts every green one that the results contradict. It
// returns the nodes that it changed. The order of belief: what the events and the results agree on; the results alone,
// for a node whose last event was lost; and else the node failed, for the reason that dbt ended.
func (t *tracker) reconcile(results map[string]nodeResult, end ending) []*NodeResult {
	var changed []*NodeResult
	for id := range results {
		t.node(id) // take in what ran beyond the plan
	}
	open := end.reason()
	for _, r := range append(append([]*NodeResult(nil), t.nodes...), t.hooks...) {
		result, reported := results[r.UniqueID]
		switch {
		case r.State.Passed() && reported && !stateOf(result.Status).Passed():
			r.Message = fmt.Sprintf("dbt's log says %s but its results say %s: %s", r.State, result.Status, result.Message)
			r.State = Failed
		case r.State.Passed() && !reported && r.Kind != "" && end.code == 0 && results != nil:
			r.State, r.Message = Failed, "dbt's log says that it passed but its results do not hold it"
		case r.State.Terminal():
			continue
		case reported:
			t.settle(r, result)
		case r.State == Running:
			r.State, r.Message = Failed, "cut off while running: "+open
		default:
			r.State, r.Message = Failed, "never began: "+open
		}
		changed = append(changed, r)
	}
	return changed
}

// reason says, for a node that is left open, why dbt ended without it.
func (e ending) reason() string {
	switch {
	case e.cut != nil:
		return e.cut.Error()
	case e.why != "":
		return e.why
	}
	return fmt.Sprintf("dbt ended with exit code %d and reported nothing about it", e.code)
}
