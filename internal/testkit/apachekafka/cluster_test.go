package apachekafka

import (
	"strings"
	"testing"
)

func TestJavaVersion(t *testing.T) {
	for said, want := range map[string]int{
		`openjdk version "17.0.15" 2025-04-15`: 17, `java version "1.8.0_202"`: 8, `openjdk version "25" 2025-09-16`: 25, "not found": 0,
	} {
		if got := javaVersion(said); got != want {
			t.Errorf("javaVersion(%q) = %d, want %d", said, got, want)
		}
	}
}

func TestPropertiesOfThree(t *testing.T) {
	quorum, err := freePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	text := properties(node{id: 2, dir: "/d", ports: quorum[1], quorum: quorum, extra: map[string]string{"num.io.threads": "9"}})
	for _, line := range []string{"node.id=2", "min.insync.replicas=2", "offsets.topic.replication.factor=3", "num.io.threads=9",
		"advertised.listeners=PLAIN://" + address(quorum[1].broker)} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

func TestClusterIDIsNoOption(t *testing.T) {
	for range 2000 { // one in 64 would be
		if id := clusterID(); strings.HasPrefix(id, "-") || len(id) != 22 {
			t.Fatalf("id %q", id)
		}
	}
}
