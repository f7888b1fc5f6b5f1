import { untrack } from 'svelte';
import { RowHeights } from './row-heights.ts';
import { scaleOf, toContent, toPhysical } from './scroll-scale.ts';
import type { Rows } from './sections.ts';

/** Height of a line and of a step's head, in pixels; the styles say the same. */
export const LINE_HEIGHT = 20;
export const HEAD_HEIGHT = 36;

/** Rows drawn beyond each edge, so that a quick turn of the wheel shows no gap. */
const BEYOND = 12;
/** Scrolled by less than so many views at once, a scaled log moves by as much as the hand did; by more, to the place. */
const NEAR = 2;
/** Nearer to the end than this is at the end, in pixels. */
const AT_END = 4;

/** Rows that are drawn; `end` is one after the last. */
export interface RowWindow {
  first: number;
  end: number;
}

/**
 * What of the rows is seen. The scroll bar is the browser's own; the content's place (`#top`) is the truth, and the scroll
 * bar follows it: the two differ where a log is higher than an element can be.
 */
export class Viewport {
  readonly #rows: () => Rows;
  readonly #heights = new RowHeights(LINE_HEIGHT);
  #heads: readonly number[] = [];
  #scroller: HTMLElement | null = null;
  #view = $state(0);
  #top = $state(0);
  /** What must be added to a place in the content to have it in the scrolled element. */
  #shift = $state(0);
  /** Grows when a height was learned or a place is wanted. */
  #news = $state(0);
  #following = $state(true);
  /** The scroll bar's place as it was last seen or set. */
  #scrollTop = 0;
  /** What is to be brought into sight, until it is. */
  #wanted: (() => number) | null = null;

  readonly #content = $derived.by(() => {
    void this.#news;
    const rows = this.#rows();
    this.#learnHeads(rows.heads);
    return this.#heights.offsetOf(rows.count);
  });
  readonly #most = $derived(Math.max(0, this.#content - this.#view));
  readonly #seenTop = $derived(this.#following ? this.#most : Math.min(this.#top, this.#most));

  constructor(rows: () => Rows) {
    this.#rows = rows;
  }

  /** Height of the element that is scrolled, in pixels. */
  get height(): number {
    return scaleOf(this.#content).physical;
  }

  readonly window: RowWindow = $derived.by(() => {
    const { count } = this.#rows();
    const first = this.#rowAt(this.#seenTop) - BEYOND;
    const end = this.#rowAt(this.#seenTop + this.#view) + 1 + BEYOND;
    return { first: Math.max(0, first), end: Math.min(count, end) };
  });

  /** Where a row is in the scrolled element, in pixels. */
  topOf(row: number): number {
    void this.#news;
    const shift = this.#following ? this.height - this.#content : this.#shift;
    return Math.round(this.#heights.offsetOf(row) + shift);
  }

  /** The first row that is seen, below the head that stays at the top. */
  readonly firstSeen = $derived(this.#rowAt(this.#seenTop + this.#margin));

  /** Changes when `settleDrawn` has something to do, even where nothing is drawn anew. */
  get news(): number {
    return this.#news;
  }

  /** Whether the end is kept in sight, while the log grows and otherwise. */
  get following(): boolean {
    return this.#following;
  }

  set following(follows: boolean) {
    this.#wanted = null;
    if (follows === this.#following) return;
    if (!follows) this.#top = this.#most;
    this.#following = follows;
    this.#news += 1;
  }

  /** Shows the rows in this element, which scrolls. Returns how to stop. */
  attach(scroller: HTMLElement): () => void {
    this.#scroller = scroller;
    let width = 0;
    const observer = new ResizeObserver(() => {
      // A narrower line wraps sooner.
      if (width !== 0 && scroller.clientWidth !== width) this.rearrange(() => {});
      width = scroller.clientWidth;
      this.#view = scroller.clientHeight;
    });
    observer.observe(scroller);
    const onScroll = () => this.#onScroll();
    const onScrollEnd = () => this.#settle();
    scroller.addEventListener('scroll', onScroll, { passive: true });
    scroller.addEventListener('scrollend', onScrollEnd);
    return () => {
      observer.disconnect();
      scroller.removeEventListener('scroll', onScroll);
      scroller.removeEventListener('scrollend', onScrollEnd);
      this.#scroller = null;
    };
  }

  /** Brings a row into sight: a third from the top, at the top, or, where it can be seen already, nowhere (`nearest`). */
  show(row: () => number, how: 'third' | 'top' | 'nearest' = 'third'): void {
    this.following = false;
    this.#wanted = () => {
      const at = this.#heights.offsetOf(row());
      const isSeen = at >= this.#top + this.#margin && at + LINE_HEIGHT <= this.#top + this.#view;
      if (how === 'nearest' && isSeen) return this.#top;
      return at - (how === 'top' ? this.#margin : this.#view / 3);
    };
    this.#news += 1;
  }

  /** Changes what the rows are; what is seen first stays where it is. */
  rearrange(change: () => void): void {
    const rows = this.#rows();
    const seen = untrack(() => this.firstSeen);
    const row = rows.at(seen);
    const below = untrack(() => this.#seenTop) - this.#heights.offsetOf(seen);
    this.#heights.forget();
    this.#heads = [];
    change();
    this.#news += 1;
    if (this.#following) return;
    this.#wanted = () => {
      const now = this.#rows();
      const at = row.kind === 'line' ? now.ofLine(row.line) : now.ofHead(row.section);
      return this.#heights.offsetOf(at) + below;
    };
  }

  /**
   * To be called after each drawing, with the rows that were drawn. Rows that are higher than was thought push away what is
   * below them, not what is seen; then the scroll bar is set to where the content is.
   */
  settleDrawn(drawn: Iterable<HTMLElement>): void {
    const anchor = this.firstSeen;
    const before = this.#heights.offsetOf(anchor);
    let row = this.window.first;
    let isNews = false;
    for (const element of drawn) {
      if (this.#heights.measure(row, element.offsetHeight)) isNews = true;
      row += 1;
    }
    if (isNews) {
      this.#news += 1;
      const moved = this.#heights.offsetOf(anchor) - before;
      if (moved !== 0 && !this.#following && this.#wanted === null) this.#top += moved;
    }
    this.#place(isNews);
  }

  #place(isNews: boolean): void {
    if (this.#following) this.#setScroll(Math.max(0, this.height - this.#view));
    else if (this.#wanted) {
      const top = Math.min(this.#most, Math.max(0, Math.round(this.#wanted())));
      // What it shows is drawn and measured next, and may move it once more.
      if (top === this.#top && !isNews) this.#wanted = null;
      this.#keep(top);
    } else if (isNews) this.#keep(this.#top);
  }

  #onScroll(): void {
    const scroller = this.#scroller;
    if (!scroller) return;
    const { scrollTop } = scroller;
    const by = scrollTop - this.#scrollTop;
    if (Math.abs(by) < 1) return;
    this.#scrollTop = scrollTop;
    this.#wanted = null;
    const isEnd = scrollTop >= this.height - this.#view - AT_END;
    if (this.#following && (by > 0 || isEnd)) return;
    const from = this.#following ? this.#most : this.#top;
    const isNear = Math.abs(by) <= NEAR * this.#view;
    const top =
      isNear && this.#content > this.height
        ? from + by
        : Math.round(toContent(scaleOf(this.#content), scrollTop));
    this.#top = Math.min(this.#most, Math.max(0, top));
    this.#shift = scrollTop - this.#top;
    this.#following = by > 0 && this.#top >= this.#most - AT_END;
  }

  /** The scroll bar goes to where the content is, once the hand rests. */
  #settle(): void {
    if (!this.#following && this.#content > this.height) this.#keep(this.#top);
  }

  #keep(top: number): void {
    this.#top = top;
    this.#setScroll(toPhysical(scaleOf(this.#content), top));
    this.#shift = this.#scrollTop - top;
  }

  #setScroll(scrollTop: number): void {
    const scroller = this.#scroller;
    // What is known is not asked: that would cost a layout.
    if (!scroller || Math.abs(this.#scrollTop - scrollTop) < 1) return;
    scroller.scrollTop = scrollTop;
    this.#scrollTop = scroller.scrollTop;
  }

  #rowAt(pixels: number): number {
    void this.#news;
    return this.#heights.rowAt(pixels, this.#rows().count);
  }

  get #margin(): number {
    return this.#rows().heads.length > 0 ? HEAD_HEIGHT : 0;
  }

  /** Heads are as high as they are before they are seen. Where one is no longer where it was, nothing else is either. */
  #learnHeads(heads: readonly number[]): void {
    if (heads === this.#heads) return;
    if (this.#heads.some((row, at) => heads[at] !== row)) this.#heights.forget();
    for (const row of heads) this.#heights.measure(row, HEAD_HEIGHT);
    this.#heads = heads;
  }
}
