package apachekafka

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/filelock"
	"github.com/tidemill/tidemill/internal/testkit"
)

//go:embed pom.xml
var pom []byte

// minJava is the oldest Java that Apache Kafka 4's brokers run on.
const minJava = 17

// fetchLimit bounds the download of the jars, 43 MB, on a slow network.
const fetchLimit = 10 * time.Minute

// Available returns nil if Apache Kafka can be run here, else an error that says what is missing and how to get it. It fetches nothing.
var Available = sync.OnceValue(func() error {
	const mend = "install Java 17 or newer and Maven (Debian: apt-get install maven)"
	said, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("Apache Kafka cannot be run: there is no Java: %s", mend) //nolint:staticcheck // a name
	}
	if v := javaVersion(string(said)); v < minJava {
		return fmt.Errorf("Apache Kafka cannot be run: `java -version` says %d: %s", v, mend) //nolint:staticcheck // a name
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return fmt.Errorf("Apache Kafka cannot be run: there is no Maven to fetch it with: %s", mend) //nolint:staticcheck // a name
	}
	return nil
})

var versionPattern = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// javaVersion is the major version in what `java -version` says; 0 if there is none.
func javaVersion(said string) int {
	m := versionPattern.FindStringSubmatch(said)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) //nolint:errcheck // digits
	return n
}

// jars returns the folder of the jars, fetched at first use.
var jars = sync.OnceValues(func() (string, error) {
	if err := Available(); err != nil {
		return "", err
	}
	cache, err := testkit.CacheDir()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchLimit)
	defer cancel()
	dir := filepath.Join(cache, fmt.Sprintf("apache-kafka-%x", sha256.Sum256(pom))[:28]) // other versions, another folder
	lock, err := filelock.Acquire(ctx, dir+".lock", filelock.Exclusive)
	if err != nil {
		return "", err
	}
	defer lock.Release() //nolint:errcheck // its file is only read
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, fetch(ctx, dir)
})

// fetch makes dir, with all of the jars or not at all.
func fetch(ctx context.Context, dir string) (err error) {
	work, err := os.MkdirTemp(filepath.Dir(dir), "apache-kafka-fetch-")
	if err != nil {
		return fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	libs := filepath.Join(work, "libs")
	mvn := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+libs) //nolint:gosec // our own folder
	mvn.Dir = work
	if said, err := mvn.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch Apache Kafka by Maven: %w\n%s", err, said)
	}
	if err := os.Rename(libs, dir); err != nil {
		return fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	return nil
}
