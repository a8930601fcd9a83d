package pyenv

import (
	"fmt"
	"strings"
)

// explain makes one line of what a failed installer said, with the mend where we know it.
func explain(err error, text string, python Python) error {
	said := lastLine(text)
	switch {
	case containsAny(text, "ensurepip is not", "No module named 'ensurepip'", "No module named ensurepip", "No module named venv"):
		return noVenv(python)
	case containsAny(text, "THESE PACKAGES DO NOT MATCH THE HASHES", "Hash mismatch"):
		return fmt.Errorf("a downloaded package is not the one that was pinned (its hash differs): %s", said)
	case containsAny(text, "CERTIFICATE_VERIFY_FAILED", "UnknownIssuer"):
		return fmt.Errorf("the certificate of the Python package index (or of a proxy before it) is not trusted here: name its authority's file in PIP_CERT and SSL_CERT_FILE: %s", said)
	case containsAny(text, "Name or service not known", "Temporary failure in name resolution", "nodename nor servname", "dns error",
		"(from versions: none)", "Network is unreachable", "Connection refused", "No route to host", "Failed to establish a new connection", "timed out", "Failed to fetch", "client error (Connect)"):
		return fmt.Errorf("the Python package index cannot be reached: connect to the internet, or name a reachable index in PIP_INDEX_URL (with pip) or UV_INDEX_URL (with uv): %s", said)
	case containsAny(text, "No space left on device", "Disk quota exceeded"):
		return fmt.Errorf("the disk is full: %s", said)
	}
	return fmt.Errorf("%w: %s", err, said)
}

func containsAny(text string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// lastLine is the last line that says something, hints and notices of pip aside.
func lastLine(text string) string {
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "[notice]") && !strings.HasPrefix(line, "hint:") {
			last = line
		}
	}
	return last
}
