// The choice between the tours, as links to their first steps.
import { type Step, type Tour, TOURS } from "../tour.js";
import { tourOf } from "./session";

const start = (tour: Tour) => `#${tour.anchor}-1`;

export function TourChoice({ tour }: { tour: Tour }) {
  return (
    <nav id="tours" aria-label="Tours">
      {TOURS.map((each, at) => (
        <a key={each.anchor} href={start(each)} aria-current={each === tour || undefined}>
          Tour {at + 1}: {each.title}
        </a>
      ))}
    </nav>
  );
}

/** At the last step of a tour, the link to the next one. */
export function NextTour({ step }: { step: Step | undefined }) {
  const tour = tourOf(step);
  if (!tour || tour.steps.at(-1) !== step) return null;
  const next = TOURS[TOURS.indexOf(tour) + 1];
  return next ? (
    <a id="next-tour" href={start(next)}>
      Go on to the next tour: {next.title}
    </a>
  ) : (
    <>This was the last step. “Start over” brings the demo back to its beginning.</>
  );
}
