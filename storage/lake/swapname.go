package lake

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// A replacement's day is built in a folder of its writer's and carried through
// by renames of that folder, each of which only one process can do:
//
//	_tmp/<writer>/<day>~<commit id>/              the new files, before the commit
//	_swap/<topic>/<day>~<commit id>~<ms>~<who>/   claimed, by whoever completes it
//	_swap/<topic>/<day>~<commit id>~<ms>~done/    what was taken out, kept for a while

// swapName is the name of a folder below _swap/<topic>.
type swapName struct {
	day      Day
	commitID string
	at       int64  // when it got this name, Unix milliseconds
	by       string // who claimed it, or swapDone
}

const swapDone = "done"

func swapFolder(topic string) string { return path.Join(swapRoot, topic) }

// stagedFolder is where a replacement waits for its commit.
func stagedFolder(writer string, day Day, commitID string) string {
	return path.Join(writerFolder(writer), string(day)+writerSeparator+commitID)
}

// parseStaged reads the name of a folder in a writer's folder.
func parseStaged(base string) (day Day, commitID string, ok bool) {
	label, id, both := strings.Cut(base, writerSeparator)
	d, err := ParseDay(label)
	return d, id, both && err == nil && !strings.Contains(id, writerSeparator)
}

func (n swapName) path(topic string) string {
	return path.Join(swapFolder(topic), fmt.Sprintf("%s~%s~%d~%s", n.day, n.commitID, n.at, n.by))
}

func (n swapName) isDone() bool { return n.by == swapDone }

// age is for how long it has had its name.
func (n swapName) age(now time.Time) time.Duration { return now.Sub(time.UnixMilli(n.at)) }

func parseSwap(base string) (n swapName, ok bool) {
	part := strings.Split(base, writerSeparator)
	if len(part) != 4 {
		return swapName{}, false
	}
	day, err := ParseDay(part[0])
	if err != nil {
		return swapName{}, false
	}
	at, err := strconv.ParseInt(part[2], 10, 64)
	return swapName{day, part[1], at, part[3]}, err == nil && part[3] != ""
}
