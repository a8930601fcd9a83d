package engine

import "testing"

func TestDocsOfParamsAreNoStructure(t *testing.T) {
	type documented struct {
		Day string `json:"day" doc:"which day"`
	}
	type plain struct {
		Day string `json:"day"`
	}
	type bounded struct {
		Day  string `json:"day"`
		Days int    `json:"days" default:"1" max:"5"`
	}
	type turned struct {
		Days int    `json:"days" default:"1" max:"5" doc:"how many"`
		Day  string `json:"day"`
	}
	type wider struct {
		Day  string `json:"day"`
		Days int    `json:"days" default:"1" max:"6"`
	}
	type otherwise struct {
		Day  string `json:"day"`
		Days int    `json:"days" default:"2" max:"5"`
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
	if version(schemaOf[turned]()) != version(schemaOf[bounded]()) {
		t.Error("the order of params changes the version")
	}
	if version(schemaOf[wider]()) == version(schemaOf[bounded]()) || version(schemaOf[otherwise]()) == version(schemaOf[bounded]()) {
		t.Error("another bound or default, by which other runs come to be, gives the same version")
	}
}
