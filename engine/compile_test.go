package engine

import "testing"

func TestDocsOfParamsAreNoStructure(t *testing.T) {
	type documented struct {
		Day string `json:"day" doc:"which day"`
	}
	type plain struct {
		Day string `json:"day"`
	}
	type renamed struct {
		Day string `json:"date"`
	}
	version := func(schema []byte) string { return versionOf(Spec{DAG: "d", Params: schema}) }
	if version(schemaOf[documented]()) != version(schemaOf[plain]()) {
		t.Error("docs of params change the version")
	}
	if version(schemaOf[renamed]()) == version(schemaOf[plain]()) {
		t.Error("another param gives the same version")
	}
}
