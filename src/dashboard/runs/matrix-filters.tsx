/** The filters of the matrix. All of them stand in the address. */
import type { JSX } from 'preact';
import { STATES } from '../../planner/rows.ts';
import { useAsk } from '../ask.ts';
import { setQuery } from '../route.ts';
import { type MatrixFilter, SPANS } from './filter.ts';

const GRADES = ['good', 'bad', 'broken', 'skipped', 'open'];

type TagsAnswer = { readonly tests: Readonly<Record<string, readonly string[]>> };

export type Tags = {
  /** All that the area has, sorted. */
  readonly names: readonly string[];
  readonly has: (test: string, tag: string) => boolean;
};

/** The tags of the area's tests, as they are written for this target now. */
export function useTags(target: string | null): Tags {
  const path = target === null ? null : `/runs/v1/tags?target=${encodeURIComponent(target)}`;
  const { answer } = useAsk<TagsAnswer>(path);
  const tests = answer?.tests ?? {};
  return {
    names: [...new Set(Object.values(tests).flat())].sort(),
    has: (test, tag) => tests[test]?.includes(tag) === true,
  };
}

type FiltersProps = { readonly filter: MatrixFilter; readonly tags: readonly string[] };

export function Filters({ filter, tags }: FiltersProps): JSX.Element {
  const { grid } = filter;
  const spans = SPANS.map(([value, words]) => [value, words] as const);
  return (
    <search class="filter">
      <Field name="find" label="Test or item" value={grid.text} />
      <Field name="target" label="Target" value={filter.target} />
      <Field name="run" label="Run" value={filter.run} />
      <Choice name="tag" label="Tag" value={filter.tag} options={tags.map(asWords)} />
      <Choice name="grade" label="Result" value={grid.grade} options={GRADES.map(asWords)} />
      <Choice name="state" label="State" value={grid.state} options={STATES.map(asWords)} />
      <Field name="status" label="Status" value={grid.status} />
      <Choice name="since" label="Changed" value={filter.since} options={spans} />
    </search>
  );
}

const asWords = (word: string): readonly [string, string] => [word, word];

type FieldProps = { readonly name: string; readonly label: string; readonly value: string };

function Field({ name, label, value }: FieldProps): JSX.Element {
  return (
    <label>
      {label}
      <input
        {...{ type: 'search', name, value, spellcheck: false, autocomplete: 'off' }}
        onInput={(event) => setQuery({ [name]: event.currentTarget.value })}
      />
    </label>
  );
}

type ChoiceProps = FieldProps & { readonly options: readonly (readonly [string, string])[] };

/** What stands in the address can be chosen too, whatever it is. */
function Choice({ name, label, value, options }: ChoiceProps): JSX.Element {
  const isKnown = value === '' || options.some(([known]) => known === value);
  const all = isKnown ? options : [...options, asWords(value)];
  return (
    <label>
      {label}
      <select
        name={name}
        value={value}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
      >
        <option value="">any</option>
        {all.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
