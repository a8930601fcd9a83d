package dbt

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxTaskID is the longest task id that is made: what a person can still read in a graph or a table.
const maxTaskID = 80

// taskIDPrefix is what the task id of a node begins with, by its kind.
var taskIDPrefix = map[Kind]string{
	KindModel: "dbt_run_", KindTest: "dbt_test_", KindUnitTest: "dbt_test_", KindSeed: "dbt_seed_", KindSnapshot: "dbt_snapshot_", KindSource: "dbt_freshness_",
}

// assignTaskIDs gives every node of the project its task id: prefix and name, limited to [A-Za-z0-9_.-]. A name that is
// too long, and every one of several that would be equal, ends in eight characters of the hash of its unique id. So an
// id depends on the node and on its namesakes, never on their order.
func assignTaskIDs(nodes []*Node) {
	byID := make(map[string]int, len(nodes))
	for _, n := range nodes {
		n.TaskID = plainTaskID(n)
		byID[n.TaskID]++
	}
	for _, n := range nodes {
		if byID[n.TaskID] > 1 || len(n.TaskID) > maxTaskID {
			n.TaskID = hashedTaskID(n.TaskID, n.UniqueID)
		}
	}
}

func plainTaskID(n *Node) string {
	return taskIDPrefix[n.Kind] + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '_'
	}, n.Name)
}

func hashedTaskID(plain, uniqueID string) string {
	sum := sha256.Sum256([]byte(uniqueID))
	suffix := "_" + hex.EncodeToString(sum[:4])
	return plain[:min(len(plain), maxTaskID-len(suffix))] + suffix
}
