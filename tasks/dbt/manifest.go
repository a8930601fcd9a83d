package dbt

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/tidemill/tidemill/engine"
)

// Kind is what a node is; the values are dbt's own resource types.
type Kind string

// The kinds of nodes that dbt executes.
const (
	KindModel    Kind = "model"
	KindTest     Kind = "test"
	KindUnitTest Kind = "unit_test"
	KindSeed     Kind = "seed"
	KindSnapshot Kind = "snapshot"
	KindSource   Kind = "source" // one that has a rule of freshness
)

// Node is one thing that dbt builds or tests.
type Node struct {
	UniqueID    string   // dbt's id, such as model.shop.orders
	Name        string   // as its author wrote it, or as dbt made it from a generic test
	Kind        Kind     // what it is
	TaskID      string   // unique in the project, stable, of [A-Za-z0-9_.-]: dbt_run_orders
	Description string   // from the YAML, may be empty
	Package     string   // the dbt package that holds it
	Path        string   // the file that defines it, relative to its package
	FQN         []string // the fully qualified name, by which it is selected
	DependsOn   []string // unique ids, of sources and macros' users too; within a plan: of planned nodes only
	Relation    string   // the quoted relation it builds; empty for a test that stores nothing
	Tags        []string // dbt's tags
	WarnOnly    bool     // a test of severity warn
	Ephemeral   bool     // a model that dbt inlines and never runs by itself

	compiledPath string // below <target path>/compiled
}

// Manifest is what dbt knows of a project after parsing it.
type Manifest struct {
	Project    string // the root project's name
	DBTVersion string // the dbt that wrote it
	Nodes      []Node // every node that dbt could execute, in graph order: what a node depends on comes first

	Lineage []engine.LineageNode // sources, nodes and exposures, what each is made of before it, except where a model writes a source

	byID map[string]*Node
}

// ReadManifest reads the manifest.json that dbt wrote at path. It errs when the file is missing, is no manifest, or
// holds a cycle (which dbt itself refuses).
func ReadManifest(path string) (*Manifest, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the caller's own
	if err != nil {
		return nil, fmt.Errorf("read dbt manifest: %w", err)
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("read dbt manifest %s: %w", path, err)
	}
	return m, nil
}

// Node returns the node with the unique id.
func (m *Manifest) Node(uniqueID string) (Node, bool) {
	n, ok := m.byID[uniqueID]
	if !ok {
		return Node{}, false
	}
	return *n, true
}

type manifestJSON struct {
	Metadata struct {
		ProjectName string `json:"project_name"`
		DBTVersion  string `json:"dbt_version"`
	} `json:"metadata"`
	Nodes     map[string]manifestNode `json:"nodes"`
	UnitTests map[string]manifestNode `json:"unit_tests"`
	Sources   map[string]manifestNode `json:"sources"`
	Exposures map[string]manifestNode `json:"exposures"`
}

type manifestNode struct {
	Name         string   `json:"name"`
	ResourceType string   `json:"resource_type"`
	PackageName  string   `json:"package_name"`
	Path         string   `json:"path"`
	OriginalPath string   `json:"original_file_path"`
	FQN          []string `json:"fqn"`
	Description  string   `json:"description"`
	RelationName string   `json:"relation_name"`
	Tags         []string `json:"tags"`
	DependsOn    struct {
		Nodes []string `json:"nodes"`
	} `json:"depends_on"`
	SourceName string `json:"source_name"`
	Label      string `json:"label"`
	Freshness  *struct {
		WarnAfter  freshnessRule `json:"warn_after"`
		ErrorAfter freshnessRule `json:"error_after"`
	} `json:"freshness"`
	Config struct {
		Materialized string       `json:"materialized"`
		Severity     string       `json:"severity"`
		Meta         manifestMeta `json:"meta"`
	} `json:"config"`
}

// manifestMeta is what is read of a node's meta, which may hold anything.
type manifestMeta struct{ WrittenBy string }

// UnmarshalJSON never errs: what is shaped otherwise says nothing.
func (m *manifestMeta) UnmarshalJSON(text []byte) error {
	var raw struct {
		WrittenBy string `json:"written_by"`
	}
	_ = json.Unmarshal(text, &raw)
	m.WrittenBy = raw.WrittenBy
	return nil
}

// freshnessRule is how old the newest row of a source may be; without a count it is none.
type freshnessRule struct {
	Count *int64 `json:"count"`
}

// timed tells whether dbt can say how fresh the source is.
func (n manifestNode) timed() bool {
	return n.Freshness != nil && (n.Freshness.WarnAfter.Count != nil || n.Freshness.ErrorAfter.Count != nil)
}

func parseManifest(text []byte) (*Manifest, error) {
	var raw manifestJSON
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if raw.Metadata.ProjectName == "" {
		return nil, fmt.Errorf("metadata.project_name is missing: this is no manifest.json of dbt 1.x")
	}
	var nodes []*Node
	for _, part := range []map[string]manifestNode{raw.Nodes, raw.UnitTests, raw.Sources} {
		for id, n := range part {
			if n.ResourceType == string(KindSource) {
				if !n.timed() {
					continue
				}
				n.Name = n.SourceName + "." + n.Name
			}
			if _, ok := taskIDPrefix[Kind(n.ResourceType)]; ok { // analyses and hooks are no tasks
				nodes = append(nodes, n.node(id))
			}
		}
	}
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].UniqueID < nodes[j].UniqueID })
	assignTaskIDs(nodes)
	ordered, err := graphOrder(nodes)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Project: raw.Metadata.ProjectName, DBTVersion: raw.Metadata.DBTVersion, byID: make(map[string]*Node, len(ordered))}
	m.Lineage = lineageOf(raw, ordered)
	m.Nodes = make([]Node, len(ordered))
	for i, n := range ordered {
		m.Nodes[i] = *n
		m.byID[n.UniqueID] = &m.Nodes[i]
	}
	return m, nil
}

func (n manifestNode) node(id string) *Node {
	// dbt's rule: the node of a YAML file (a generic test) is compiled to a file below that file's name.
	compiled := n.OriginalPath
	if filepath.Base(n.Path) != filepath.Base(n.OriginalPath) {
		compiled = filepath.Join(n.OriginalPath, n.Path)
	}
	return &Node{
		UniqueID: id, Name: n.Name, Kind: Kind(n.ResourceType), Description: n.Description, Package: n.PackageName,
		Path: n.OriginalPath, FQN: n.FQN, DependsOn: n.DependsOn.Nodes, Relation: n.RelationName, Tags: n.Tags,
		WarnOnly:     n.ResourceType == string(KindTest) && (n.Config.Severity == "warn" || n.Config.Severity == "WARN"),
		Ephemeral:    n.ResourceType == string(KindModel) && n.Config.Materialized == "ephemeral",
		compiledPath: filepath.Join("compiled", n.PackageName, compiled),
	}
}
