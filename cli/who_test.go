package cli

import (
	"os/user"
	"testing"
)

func TestWhoActsIsNamed(t *testing.T) {
	for username, want := range map[string]string{"": "cli", "alice": "cli:alice", `BANK\alice`: `cli:BANK\alice`} {
		if got := actor(username); got != want {
			t.Errorf("%q is told as %q; want %q", username, got, want)
		}
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := (&command{}).who(), "cli:"+u.Username; got != want {
		t.Errorf("it is %q who acts; want %q", got, want)
	}
}
