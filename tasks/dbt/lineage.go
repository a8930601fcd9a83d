package dbt

import (
	"slices"

	"github.com/tidemill/tidemill/engine"
)

// Kinds of what is no node of a run but part of the lineage.
const (
	kindExposure = "exposure"
	kindSource   = string(KindSource)
)

// lineage says what the project reads, makes and checks; nil while it has not been parsed.
func lineage(r *Runner) func() []engine.LineageNode {
	if r == nil { // only the definition is looked at
		return func() []engine.LineageNode { return nil }
	}
	return func() []engine.LineageNode {
		m, err := r.Parsed()
		if err != nil {
			return nil
		}
		return m.Lineage
	}
}

// lineageOf is the lineage of a project in graph order: sources, then what is built and tested, then exposures. A source whose meta names the model
// that writes it (written_by), as a post-hook may, comes after that model, and what lies before the model does not come after the source.
func lineageOf(raw manifestJSON, ordered []*Node) []engine.LineageNode {
	var out []engine.LineageNode
	before := map[string]map[string]bool{} // node -> all that it is made of, itself included
	for _, n := range ordered {
		all := map[string]bool{n.UniqueID: true}
		for _, up := range n.DependsOn {
			all[up] = true
			for id := range before[up] {
				all[id] = true
			}
		}
		before[n.UniqueID] = all
	}
	writers := map[string]string{} // source -> the model that writes it
	for id, s := range raw.Sources {
		for _, n := range ordered {
			if n.Kind == KindModel && n.Name == s.Config.Meta.WrittenBy {
				writers[id] = n.UniqueID
			}
		}
	}
	var written []engine.LineageNode // sources that come last
	for _, id := range sortedNames(raw.Sources) {
		s := raw.Sources[id]
		n := engine.LineageNode{ID: id, Name: s.SourceName + "." + s.Name, Kind: kindSource, Doc: s.Description}
		if s.timed() {
			n.Task = taskIDPrefix[KindSource] + n.Name
		}
		if w := writers[id]; w != "" {
			n.Upstream = []string{w}
			written = append(written, n)
			continue
		}
		out = append(out, n)
	}
	for _, n := range ordered {
		if n.Kind == KindSource {
			continue
		}
		up := slices.DeleteFunc(slices.Clone(n.DependsOn), func(id string) bool { w := writers[id]; return w != "" && before[w][n.UniqueID] })
		l := engine.LineageNode{ID: n.UniqueID, Name: n.Name, Kind: string(n.Kind), Doc: n.Description, Upstream: up, Task: n.TaskID}
		if n.Ephemeral {
			l.Task = ""
		}
		out = append(out, l)
	}
	out = append(out, written...)
	for _, id := range sortedNames(raw.Exposures) {
		e := raw.Exposures[id]
		name := e.Label
		if name == "" {
			name = e.Name
		}
		out = append(out, engine.LineageNode{ID: id, Name: name, Kind: kindExposure, Doc: e.Description, Upstream: e.DependsOn.Nodes})
	}
	return out
}

func sortedNames(nodes map[string]manifestNode) []string {
	ids := make([]string, 0, len(nodes))
	for id := range nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
