(** Chapter 03, the linearisation error of symmetric smooth networks. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training Network Twins Movement.
Open Scope R_scope.

Theorem thm_linearisation :
  forall (X : inner_space) (h n : nat) (a : nat -> R) (sigma sigma' sigma'' sigma''' : R -> R)
    (loss : R -> R -> R) (y : nat -> R) (C0 C1 C2 L D alpha : R),
  let m := (2 * h)%nat in
  forall (x : nat -> nat -> X) (w g : nat -> rows X m) (T : nat),
  (0 < h)%nat ->  (* ours: at least one pair of twins *)
  (0 < n)%nat ->  (* ours: at least one example *)
  signs a ->  (* ours: part of the definition of the network *)
  twins h a (w O) ->  (* book: symmetric initialisation *)
  (forall z, is_derive sigma z (sigma' z)) ->  (* book: \sigma' *)
  (forall z, is_derive sigma' z (sigma'' z)) ->  (* book: \sigma'' *)
  (forall z, is_derive sigma'' z (sigma''' z)) ->  (* book: \sigma''' *)
  (forall z, Rabs (sigma' z) <= C0) ->  (* book: \lvert\sigma'\rvert\le C_0 *)
  (forall z, Rabs (sigma'' z) <= C1) ->  (* book: \lvert\sigma''\rvert\le C_1 *)
  (forall z, Rabs (sigma''' z) <= C2) ->  (* book: \lvert\sigma'''\rvert\le C_2 *)
  (forall u y, ex_derive (fun u => loss u y) u) ->  (* ours: the gradient of the loss exists *)
  lipschitz_loss L loss ->  (* ours: as in the proposition on movement *)
  (forall t i, (i < n)%nat -> norm (x t i) <= 1) ->  (* ours: as in the proposition on movement *)
  0 <= alpha ->  (* ours: as in the proposition on movement *)
  (forall t, is_gradient (frozen_loss loss (net m a sigma) n y (x t)) (w t) (g t)) ->
  (* book: against any attack *)
  (forall t, w (S t) = (w t - alpha * g t)%vec) ->  (* book: train as in *)
  (forall t, (t <= T)%nat -> norm (w t - w O) <= D) ->
  (* book: D=\max_{t\le T}\lVert W_t-W_0\rVert_F *)
  let Lam := alpha * INR T * L in
  forall z : X, norm z <= 1 ->  (* book: every $x$ with $\lVert x\rVert\le1$ *)
  Rabs (net m a sigma (w T) z - net m a sigma (w O) z
        - << net_gradient m a sigma' (w O) z, w T - w O >>)
    <= Lam * D ^ 2 / INR m * (C1 ^ 2 + C0 * C2 / 6).
  (* book: \frac{\Lambda D^2}m\Bigl(C_1^2+\frac{C_0C_2}6\Bigr) *)
Proof.
  intros X h n a sigma sigma' sigma'' sigma''' loss y C0 C1 C2 L D alpha m x w g T
    Hh Hn Ha Hstart D1 D2 D3 H0 H1 H2 Lder LL Hx Halpha Hg Hw HD Lam z Hz.
  assert (Hm : (0 < m)%nat) by (unfold m; lia). assert (Q := inv_sqrt_width Hm).
  assert (QQ := inv_sqrt_width_sqr Hm). assert (N : 0 < INR m) by now apply lt_0_INR.
  assert (L1 : lipschitz C1 sigma') by now apply bounded_slope_lipschitz with sigma''.
  assert (L2 : lipschitz C2 sigma'') by now apply bounded_slope_lipschitz with sigma'''.
  assert (PL := lipschitz_nonneg L _ (LL 0)).
  assert (P0 := bounded_nonneg C0 sigma' H0). assert (P1 := lipschitz_nonneg C1 sigma' L1).
  assert (P2 := lipschitz_nonneg C2 sigma'' L2).
  assert (PD : 0 <= D) by (eapply Rle_trans; [apply (@norm_pos (rows X m))|apply (HD O); lia]).
  set (al := fun _ : nat => alpha). set (q := / sqrt (INR m)) in *.
  set (dl := move m w). set (tw := twin m w h).
  assert (PLam : 0 <= Lam) by (unfold Lam; repeat apply Rmult_le_pos; auto using pos_INR).
  (* the squares of all movements, pair by pair *)
  assert (both : forall t, (t <= T)%nat ->
    total h (fun r => << dl t r, dl t r >> + << tw t r, tw t r >>) <= D ^ 2).
  { intros t Ht. eapply Rle_trans; [|apply (@norm_le_sqr (rows X m)), (HD t Ht)]. apply Req_le.
    unfold m. rewrite dot_rows, total_halves. reflexivity. }
  (* the differences of all pairs have together norm at most sqrt 2 D *)
  assert (diffs : forall t, (t <= T)%nat ->
    norm (X := rows X h) (fun r => dl t r - tw t r)%vec <= sqrt 2 * D).
  { intros t Ht. apply norm_le; [apply Rmult_le_pos; [apply sqrt_pos|easy]|].
    rewrite Rpow_mult_distr, pow2_sqrt by lra. rewrite dot_rows.
    apply Rle_trans with (2 * total h (fun r => << dl t r, dl t r >> + << tw t r, tw t r >>)).
    2: { apply Rmult_le_compat_l; [lra|now apply both]. }
    rewrite <- total_scal. apply total_le. intros r _.
    assert (P := dot_pos X (dl t r + tw t r)%vec). expand. expand_in P.
    rewrite (dot_sym _ (tw t r) (dl t r)) in *. lra. }
  (* the sums start at zero, and each step adds little *)
  assert (sums : forall t, (t <= T)%nat -> norm (X := rows X h) (fun r => dl t r + tw t r)%vec
    <= sqrt 2 * (alpha * INR t * L) * C1 * D * q).
  { induction t as [|t IH]; intros Ht.
    - simpl INR. assert (E : norm (X := rows X h) (fun r => dl O r + tw O r)%vec <= 0).
      { apply norm_le; [lra|]. rewrite dot_rows. apply Req_le.
        rewrite (total_ext h _ (fun _ => 0)), total_const; [ring|]. intros r _.
        unfold dl, tw, move, twin. rewrite !vadd_opp. expand. rewrite dot_zero. ring. }
      eapply Rle_trans; [exact E|]. apply Req_le. ring.
    - specialize (IH ltac:(lia)).
      set (G := (fun r => g t r + g t (h + r)%nat)%vec : rows X h).
      assert (E : (fun r => dl (S t) r + tw (S t) r)%vec =
        @vadd (rows X h) (fun r => dl t r + tw t r)%vec (- alpha * G)%vec).
      { apply FunctionalExtensionality.functional_extensionality. intros r.
        apply (sum_step m w g al Hw h t r). }
      rewrite E. eapply Rle_trans; [apply norm_triangle|].
      rewrite norm_vscal, Rabs_Ropp, Rabs_pos_eq by easy.
      assert (NG : norm G <= L * C1 * q * norm (X := rows X h) (fun r => dl t r - tw t r)%vec).
      { apply norm_rows_le; [apply Rmult_le_pos; nra|]. intros r Hr.
        apply (sum_gradient m n a sigma sigma' loss y C1 L x w g); easy. }
      specialize (diffs t ltac:(lia)).
      assert (NG2 : norm G <= L * C1 * q * (sqrt 2 * D)).
      { eapply Rle_trans; [exact NG|]. apply Rmult_le_compat_l; [|easy].
        apply Rmult_le_pos; nra. }
      apply (Rmult_le_compat_l alpha) in NG2; [|easy]. rewrite S_INR. nra. }
  specialize (diffs T (le_n T)). specialize (sums T (le_n T)). fold Lam in sums.
  specialize (both T (le_n T)).
  (* fix x: u and u' are the movements of the pre-activations of a unit and its twin *)
  set (z0 := fun r => << w O r, z >>).
  set (u := fun r => << dl T r, z >>). set (u' := fun r => << tw T r, z >>).
  set (e3 := fun v d => sigma (v + d) - sigma v - sigma' v * d - sigma'' v / 2 * d ^ 2).
  (* Taylor's theorem: the error of a pair *)
  assert (Hu : forall r, u r ^ 2 <= << dl T r, dl T r >>) by (intros; now apply row_change_sqr).
  assert (Hu' : forall r, u' r ^ 2 <= << tw T r, tw T r >>) by (intros; now apply row_change_sqr).
  assert (err : net m a sigma (w T) z - net m a sigma (w O) z
      - << net_gradient m a sigma' (w O) z, w T - w O >>
    = q * (total h (fun r => a r * (sigma'' (z0 r) / 2) * ((u r - u' r) * (u r + u' r)))
        + total h (fun r => a r * (e3 (z0 r) (u r) - e3 (z0 r) (u' r))))).
  { rewrite dot_net_gradient. unfold net. fold q.
    rewrite <- !Rmult_minus_distr_l, <- !total_minus, <- total_plus. f_equal. unfold m.
    rewrite total_halves. apply total_ext. intros r Hr. destruct (Hstart r Hr) as [Ea Ew].
    rewrite Ea, Ew. change ((w T - w O)%vec r) with (dl T r).
    change ((w T - w O)%vec (h + r)%nat) with (tw T r).
    assert (E1 : << w T r, z >> = z0 r + u r).
    { unfold z0, u, dl, move. expand. ring. }
    assert (E2 : << w T (h + r)%nat, z >> = z0 r + u' r).
    { unfold z0, u', tw, twin. rewrite Ew. expand. ring. }
    rewrite E1, E2. fold (u r) (u' r) (z0 r). unfold e3. field. }
  (* second order *)
  assert (second : Rabs (total h (fun r => a r * (sigma'' (z0 r) / 2) * ((u r - u' r) * (u r + u' r))))
    <= C1 / 2 * (sqrt 2 * D * (sqrt 2 * Lam * C1 * D * q))).
  { eapply Rle_trans; [apply total_abs|].
    apply Rle_trans with (C1 / 2 * total h (fun r => Rabs (u r - u' r) * Rabs (u r + u' r))).
    - rewrite <- total_scal. apply total_le. intros r _.
      rewrite !Rabs_mult, (signs_abs a r Ha). unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ 2)) by lra.
      assert (B := H1 (z0 r)). assert (Z1 := Rabs_pos (u r - u' r)). assert (Z2 := Rabs_pos (u r + u' r)).
      assert (Z := Rmult_le_pos _ _ Z1 Z2). nra.
    - apply Rmult_le_compat_l; [lra|].
      assert (S2 := sqrt_pos 2).
      eapply Rle_trans; [apply Rle_abs|]. apply cauchy_schwarz_total.
      + nra.
      + apply Rmult_le_pos; [|lra]. apply Rmult_le_pos; [|easy]. apply Rmult_le_pos; [|easy]. nra.
      + eapply Rle_trans; [|apply (@norm_le_sqr (rows X h)), diffs]. rewrite dot_rows. apply total_le.
        intros r _. rewrite pow2_abs.
        replace (u r - u' r) with << dl T r - tw T r, z >> by (unfold u, u'; expand; ring).
        now apply row_change_sqr.
      + eapply Rle_trans; [|apply (@norm_le_sqr (rows X h)), sums]. rewrite dot_rows. apply total_le.
        intros r _. rewrite pow2_abs.
        replace (u r + u' r) with << dl T r + tw T r, z >> by (unfold u, u'; expand; ring).
        now apply row_change_sqr. }
  (* third order: no movement of a unit exceeds C0 Lambda / sqrt m *)
  assert (ELam : Lambda L al T = Lam).
  { unfold Lambda, Lam, al. rewrite total_const. ring. }
  assert (small : forall r, (r < m)%nat -> norm (w T r - w O r) <= C0 * Lam * q).
  { intros r Hr. rewrite <- ELam.
    apply (row_movement m n a sigma sigma' loss y C0 L x w g al); easy. }
  assert (cube : forall v d b, Rabs d <= C0 * Lam * q -> d ^ 2 <= b ->
    Rabs (e3 v d) <= C2 / 6 * (C0 * Lam * q) * b).
  { intros v d b Hd Hb. assert (T3 := taylor_2 sigma sigma' sigma'' C2 D1 D2 L2 v (v + d)).
    replace (v + d - v) with d in T3 by ring. fold (e3 v d) in T3.
    eapply Rle_trans; [exact T3|]. replace (Rabs d ^ 3) with (Rabs d * d ^ 2)
      by (rewrite <- (pow2_abs d); ring).
    rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|].
    apply Rmult_le_compat; auto using Rabs_pos, pow2_ge_0. }
  assert (third : Rabs (total h (fun r => a r * (e3 (z0 r) (u r) - e3 (z0 r) (u' r))))
    <= C2 / 6 * (C0 * Lam * q) * D ^ 2).
  { eapply Rle_trans; [apply total_abs|].
    eapply Rle_trans; [|apply Rmult_le_compat_l; [|exact both]].
    2: { apply Rmult_le_pos; [lra|]. apply Rmult_le_pos; [|lra]. nra. }
    rewrite <- total_scal. apply total_le. intros r Hr.
    rewrite Rabs_mult, (signs_abs a r Ha), Rmult_1_l.
    assert (le1 : forall d : X, norm d <= C0 * Lam * q -> Rabs << d, z >> <= C0 * Lam * q).
    { intros d Hd. eapply Rle_trans; [apply cauchy_schwarz|]. assert (Z := norm_pos d). nra. }
    assert (B1 := cube (z0 r) (u r) << dl T r, dl T r >>
      ltac:(apply le1, small; unfold m; lia) (Hu r)).
    assert (B2 := cube (z0 r) (u' r) << tw T r, tw T r >>
      ltac:(apply le1, small; unfold m; lia) (Hu' r)).
    unfold Rminus. eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_Ropp. lra. }
  (* add the two *)
  rewrite err, Rabs_mult, (Rabs_pos_eq q) by lra.
  eapply Rle_trans; [apply Rmult_le_compat_l; [lra|]; eapply Rle_trans; [apply Rabs_triang|];
    apply Rplus_le_compat; [exact second|exact third]|].
  assert (S2 : sqrt 2 * sqrt 2 = 2) by (apply sqrt_sqrt; lra).
  assert (Eq : q ^ 2 = / INR m).
  { apply Rmult_eq_reg_r with (INR m); [|lra]. rewrite QQ. field. lra. }
  apply Req_le. replace (Lam * D ^ 2 / INR m) with (Lam * D ^ 2 * q ^ 2) by (rewrite Eq; field; lra).
  replace (C1 / 2 * (sqrt 2 * D * (sqrt 2 * Lam * C1 * D * q)))
    with (sqrt 2 * sqrt 2 / 2 * (C1 ^ 2 * D ^ 2 * Lam * q)) by field.
  rewrite S2. field.
Qed.
