package engine

// A LineageNode is a piece of data that a DAG's tasks read, make or check, or somebody who uses it.
type LineageNode struct {
	ID       string   // unique in the DAG
	Name     string   // for people
	Kind     string   // what it is, such as source, model, test or exposure
	Doc      string   // for people, may be empty
	Upstream []string // ids of what it is made of; those that the DAG does not have are ignored
	Task     string   // the task or virtual node that makes or checks it and whose state it shows; "" for what no task makes
}

// Lineage says what data a task reads, makes and checks, for the page that shows it. known is asked again and again and answers at once; what
// several tasks of a DAG name is one piece.
func Lineage(known func() []LineageNode) TaskOption {
	return taskOption(func(t *Task) { t.lineage = known })
}

// HasLineage tells whether a task of the DAG says what data it works on.
func (d *Definition) HasLineage() bool {
	for _, t := range d.tasks {
		if t.lineage != nil {
			return true
		}
	}
	return false
}

// Lineage is what the DAG's tasks say that they read, make and check, each piece once; empty while they do not know it yet.
func (d *Definition) Lineage() []LineageNode {
	var out []LineageNode
	seen := map[string]bool{}
	for _, t := range d.tasks {
		if t.lineage == nil {
			continue
		}
		for _, n := range t.lineage() {
			if !seen[n.ID] {
				seen[n.ID] = true
				out = append(out, n)
			}
		}
	}
	return out
}
