package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// contractKey is where a file's footer tells the version of its rows' contract.
const contractKey = "tidemill.contract"

// Contract is what a lake's files promise to whoever reads them: a version that
// a person raises with each change, and columns.
type Contract struct {
	Version int // 0: not told
	Columns []Column
}

// Column is a column as a file's schema tells it.
type Column struct {
	Name     string
	Type     string // Parquet's, such as STRING or DECIMAL(18,2)
	Optional bool   // may be null
}

// ContractOf is the contract of rows of type R, a flat struct with parquet tags.
func ContractOf[R any](version int) Contract {
	return Contract{version, columnsIn(parquet.SchemaOf(reflect.New(reflect.TypeFor[R]()).Interface()))}
}

func columnsIn(schema *parquet.Schema) []Column {
	var all []Column
	for _, f := range schema.Fields() {
		all = append(all, Column{f.Name(), f.Type().String(), f.Optional()})
	}
	return all
}

// ContractError tells that rows of a program may not stand beside a lake's
// files: some reader of theirs would go wrong.
type ContractError struct {
	File        string   // path of the file that was looked at, the newest
	Differences []string // one at least
}

// Error implements error.
func (e *ContractError) Error() string {
	return "the rows of this program do not go with the lake's files (" + e.File + "): " + strings.Join(e.Differences, "; ")
}

// Differences lists what keeps rows of the contract c from standing in a lake
// beside files of an older one; none when they may. They may where every column
// stays with its name and type, and every new one may be null: whoever reads by
// name then reads both, with nulls for what an older file does not have.
func (c Contract) Differences(files Contract) []string {
	var all []string
	if files.Version > c.Version {
		all = append(all, fmt.Sprintf("the files are of version %d of the contract, this program knows version %d", files.Version, c.Version))
	}
	ours := map[string]Column{}
	for _, col := range c.Columns {
		ours[col.Name] = col
	}
	theirs := map[string]bool{}
	for _, old := range files.Columns {
		theirs[old.Name] = true
		col, ok := ours[old.Name]
		switch {
		case !ok:
			all = append(all, fmt.Sprintf("column %s (%s) is in the files and not in the rows", old.Name, old.Type))
		case col.Type != old.Type:
			all = append(all, fmt.Sprintf("column %s is %s in the files and %s in the rows", old.Name, old.Type, col.Type))
		case old.Optional && !col.Optional:
			all = append(all, fmt.Sprintf("column %s may be null in the files and not in the rows", old.Name))
		}
	}
	for _, col := range c.Columns {
		if !theirs[col.Name] && !col.Optional {
			all = append(all, fmt.Sprintf("column %s is new and may not be null, but the files do not have it: make it optional", col.Name))
		}
	}
	return all
}

// Agree errs with a [*ContractError] when rows of the contract may not be put
// beside what the lake holds by now: the newest file is asked. A lake without
// files agrees with any, and so does one whose newest file cannot be read as
// Parquet, which the audit tells of.
func (l *Lake) Agree(ctx context.Context, c Contract) error {
	state, err := l.State(ctx)
	if err != nil {
		return fmt.Errorf("ask for the contract of %s: %w", l.topic, err)
	}
	if state.lastFile == nil {
		return nil
	}
	found, err := l.contractIn(ctx, *state.lastFile)
	if err != nil {
		var disk *fs.PathError
		if errors.Is(err, fs.ErrNotExist) || !errors.As(err, &disk) {
			return nil // lost or damaged: the audit's business
		}
		return fmt.Errorf("ask %s for its contract: %w", state.lastFile.Path, err)
	}
	if diff := c.Differences(found); len(diff) > 0 {
		return &ContractError{state.lastFile.Path, diff}
	}
	return nil
}

// contractIn reads the contract of a file from its footer.
func (l *Lake) contractIn(ctx context.Context, f File) (c Contract, err error) {
	disk, _, _, err := l.open(ctx, f)
	if err != nil {
		return Contract{}, err
	}
	defer func() { _ = disk.Close() }() // opened for reading: nothing can be lost
	err = guard(func() error {
		file, err := parquet.OpenFile(disk, disk.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return err
		}
		c.Columns = columnsIn(file.Schema())
		if text, ok := file.Lookup(contractKey); ok {
			if c.Version, err = strconv.Atoi(text); err != nil {
				return fmt.Errorf("its footer tells %q as the version of its contract", text)
			}
		}
		return nil
	})
	return c, err
}
