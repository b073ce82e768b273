// @ts-check
// The title and the icon of the tab: how many run, how many have failed since somebody looked, and whether the
// connection stands. Drawn anew only when that changes.

/** @typedef {{running: number, failed: number, live: boolean}} Tab */

/** @param {Tab} tab @param {string} screen title of the screen; empty for the first @returns {string} */
export function tabTitle({ running, failed }, screen) {
  const counts = [running > 0 ? `${running} running` : '', failed > 0 ? `${failed} failed` : ''].filter(Boolean).join(' · ');
  return `${counts === '' ? '' : `(${counts}) `}${screen === '' ? '' : `${screen} · `}llmctl`;
}

let drawn = '';

/** @param {Tab} tab */
export function drawIcon({ running, failed, live }) {
  const dot = !live ? '#8a94a6' : failed > 0 ? '#e5534b' : running > 0 ? '#2f81f7' : '';
  if (dot === drawn) return;
  const link = document.querySelector('link[rel~="icon"]');
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 32;
  const pen = canvas.getContext('2d');
  if (!(link instanceof HTMLLinkElement) || pen === null) return;
  drawn = dot;
  pen.fillStyle = '#1f6feb';
  pen.beginPath();
  pen.roundRect(0, 0, 32, 32, 8);
  pen.fill();
  pen.strokeStyle = '#fff';
  pen.lineWidth = 3;
  pen.lineCap = pen.lineJoin = 'round';
  pen.stroke(new Path2D('M8 10.5 13.5 16 8 21.5M17 22h7'));
  if (dot !== '') {
    pen.fillStyle = '#fff';
    pen.beginPath();
    pen.arc(24, 8, 8, 0, 7);
    pen.fill();
    pen.fillStyle = dot;
    pen.beginPath();
    pen.arc(24, 8, 6.5, 0, 7);
    pen.fill();
  }
  link.href = canvas.toDataURL('image/png');
}
